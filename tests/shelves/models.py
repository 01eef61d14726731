"""What cached functions read."""

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
    genres = models.ManyToManyField(Genre, related_name="books")
    objects = InvalidatingManager()


class Favourite(Book):
    """A proxy."""

    class Meta:
        proxy = True


class Atlas(Book):
    """A row in two tables."""

    scale = models.IntegerField(default=1)
