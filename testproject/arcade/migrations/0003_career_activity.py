import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("arcade", "0002_season"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Activity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event", models.CharField(max_length=40, unique=True)),
                ("name", models.CharField(max_length=150)),
                ("points", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Career",
            fields=[
                (
                    "player",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("games", models.PositiveIntegerField(default=0)),
                ("best", models.PositiveIntegerField(default=0)),
                ("last", models.PositiveIntegerField(default=0)),
                ("rising", models.PositiveIntegerField(default=0)),
                ("badges", models.JSONField(default=list)),
                ("event", models.CharField(default="0-0", max_length=40)),
            ],
        ),
    ]
