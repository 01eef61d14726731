"""An abstract model whose rows are written under a lock."""

from django.db import models


class FencedModel(models.Model):
    """Rows that remember the newest fence they were written with: ``held.save(row)`` refuses an older one."""

    fence = models.BigIntegerField(default=0, editable=False)

    class Meta:
        abstract = True
