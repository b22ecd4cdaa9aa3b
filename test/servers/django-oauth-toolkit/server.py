"""A Django project with django-oauth-toolkit in one file, with clients in a JSON file."""

import json
import os
import sys

import django
from django.conf import settings
from django.core.management import call_command

PORT = int(sys.argv[1])
DIRECTORY = sys.argv[2]
LIFETIME_SECONDS = int(sys.argv[3])

settings.configure(
    DEBUG=False,
    SECRET_KEY="only-for-this-test",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "oauth2_provider",
    ],
    MIDDLEWARE=[f"{__name__}.synchronize"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(DIRECTORY, "django.sqlite"),
        }
    },
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": LIFETIME_SECONDS,
        "SCOPES": {"orders.read": "Read orders", "introspection": "Introspect tokens"},
        "DEFAULT_SCOPES": ["orders.read"],
    },
)
sys.modules.setdefault(__name__, sys.modules["__main__"])
django.setup()

from django.urls import include, path  # noqa: E402
from oauth2_provider.models import get_application_model  # noqa: E402
from oauth2_provider.urls import metadata_urlpatterns  # noqa: E402

# The metadata has to be at the root, too, where RFC 8414 section 3.1 requires it.
urlpatterns = [
    path("", include((metadata_urlpatterns, "oauth2_metadata"))),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]

known = {}


def synchronize(get_response):
    """Updates the applications in the database from the JSON file before each request."""

    def middleware(request):
        with open(os.path.join(DIRECTORY, "clients.json"), encoding="utf-8") as file:
            clients = json.load(file)
        for client_id, given in clients.items():
            if known.get(client_id) == given:
                continue
            application = get_application_model()
            application.objects.update_or_create(
                client_id=client_id,
                defaults={
                    "name": client_id,
                    # The model stores its hash.
                    "client_secret": given["secret"],
                    "client_type": application.CLIENT_CONFIDENTIAL,
                    "authorization_grant_type": application.GRANT_CLIENT_CREDENTIALS,
                },
            )
            known[client_id] = given
        return get_response(request)

    return middleware


call_command("migrate", verbosity=0, interactive=False)
call_command("runserver", f"127.0.0.1:{PORT}", use_reloader=False, use_threading=False, skip_checks=True)
