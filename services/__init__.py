"""What Nearfield does, told in plain values: no Flask and no Celery below this line.

Importing the package costs nothing; every heavy import (torch, redis-om) happens in the module that needs it.
"""
