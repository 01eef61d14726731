"""What cached functions read."""

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models

from django_redis_patterns.caching import InvalidatingManager


class Author(models.Model):
    name = models.CharField(max_length=40)


class Poet(Author):
    """A proxy of a model whose manager is Django's own."""

    class Meta:
        proxy = True


class Person(models.Model):
    """A parent of which nobody tells, but for its child."""

    name = models.CharField(max_length=40)


class Critic(Person):
    rating = models.IntegerField(default=1)


class Genre(models.Model):
    name = models.CharField(max_length=40)


class Book(models.Model):
    title = models.CharField(max_length=40)
    author = models.ForeignKey(Author, null=True, on_delete=models.CASCADE, related_name="books")
    notes = GenericRelation("Note", content_type_field="kind")
    genres = models.ManyToManyField(Genre, related_name="books")
    objects = InvalidatingManager()


class Loan(models.Model):
    """It outlives who has the book."""

    reader = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL)


class Note(models.Model):
    """About any row."""

    kind = models.ForeignKey(ContentType, null=True, on_delete=models.CASCADE)
    object_id = models.IntegerField(null=True)
    about = GenericForeignKey("kind", "object_id")
    objects = InvalidatingManager()


class Favourite(Book):
    """A proxy."""

    class Meta:
        proxy = True


class Atlas(Book):
    """A row in two tables."""

    scale = models.IntegerField(default=1)
