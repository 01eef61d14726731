"""Every address of the site is the arcade's."""

from django.urls import include, path

urlpatterns = [path("", include("arcade.urls"))]
