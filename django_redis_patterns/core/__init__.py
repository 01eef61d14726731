"""The ground floor on which every room stands. Users need only `client`, `aclient` and `batch` of it."""
