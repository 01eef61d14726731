"""Django finds ``redis`` here."""
