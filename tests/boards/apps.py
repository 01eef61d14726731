from django.apps import AppConfig


class BoardsConfig(AppConfig):
    name = "tests.boards"
    default_auto_field = "django.db.models.BigAutoField"
