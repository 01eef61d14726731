"""``manage.py redis``: each module here is one area of it, which says what it does and takes its arguments."""
