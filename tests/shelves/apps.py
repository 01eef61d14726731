from django.apps import AppConfig


class ShelvesConfig(AppConfig):
    name = "tests.shelves"
    default_auto_field = "django.db.models.BigAutoField"
