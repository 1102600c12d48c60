"""Where the secrets of the server name a provider of OpenID Connect, visitors sign in before anything is shown.

Secrets that cannot be used shut the server: an operator who wrote them did not mean to open it to everybody.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAuthError

_OF_ALL = ("redirect_uri", "cookie_secret")
_OF_PROVIDER = ("client_id", "client_secret", "server_metadata_url")
_ENDING = "/oauth2callback"
_LONGEST_NAME = 200
_LOG = logging.getLogger(__name__)
_TROUBLE = "_sign_in_trouble"


def visitor() -> str | None:
    """Who has signed in: mail address, else name, else the provider's id; None where nobody has to."""
    if not st.user.get("is_logged_in"):
        return None
    said = next((str(st.user[key]) for key in ("email", "name", "sub") if st.user.get(key)), None)
    # The provider lets people write what they like.
    return said and " ".join(said.encode("utf-8", "backslashreplace").decode().split())[:_LONGEST_NAME]


def sign_out() -> None:
    """Below the page: who is signed in, and the way out; nothing where nobody has to."""
    if (who := visitor()) is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"Signed in as {who}")
        st.button("Sign out", icon=":material/logout:", on_click=st.logout, key="sign_out")


def sign_in(title: str) -> None:
    """Let the page go on where nobody has to sign in, or this visitor has; else ask, and end it.

    Args:
        title: Of the application.
    """
    trouble = _unreadable()
    auth: Any = None if trouble else _auth()  # Any: whatever TOML holds
    if trouble is None and auth is None:
        return
    trouble = trouble or unusable(auth)
    if trouble is None and st.user.get("is_logged_in"):
        return
    st.title(title)
    if trouble is not None:
        _say_once(trouble)
        st.error(f"{trouble} Nothing is shown until whoever runs this server has mended that.")
        st.stop()
    st.markdown("This server shows its pages to those who sign in, and keeps with each run who launched it.")
    with st.container(horizontal=True):
        providers: list[str | None] = [*_providers(auth)]
        for provider in providers or [None]:
            label = f"Sign in with {provider}" if provider else "Sign in"
            st.button(label, icon=":material/login:", on_click=_log_in, args=(provider,), key=f"sign_in_{provider}")
    if said := st.session_state.pop(_TROUBLE, None):
        st.error(said)
    st.stop()


def unusable(auth: object) -> str | None:
    """Why nobody can sign in with the section `auth` of the secrets; None: they can.

    Args:
        auth: The section.
    """
    if find_spec("authlib") is None:
        return "The secrets of this server ask for a sign-in, which needs a package: pip install 'streamlit[auth]'."
    if not isinstance(auth, Mapping) or not auth:
        return "The section [auth] of this server's secrets is empty."
    named = {f"auth.{name}": auth[name] for name in _providers(auth)} or {"auth": auth}
    wanted = [("auth", auth, _OF_ALL), *((where, section, _OF_PROVIDER) for where, section in named.items())]
    missing = [f"{key} in [{where}]" for where, section, keys in wanted for key in keys if not _is_text(section, key)]
    if missing:
        return f"The secrets of this server lack what a sign-in needs: {', '.join(missing)}."
    if not auth["redirect_uri"].endswith(_ENDING):
        return f"The redirect_uri in [auth] of this server's secrets must end with {_ENDING}."
    if wrong := [name for name in _providers(auth) if "_" in name]:
        return f"A provider in the secrets of this server is called {wrong[0]}: a name without '_' is expected."
    return None


def _unreadable() -> str | None:
    """Why the secrets, which are there, cannot be read; Streamlit would go on as if there were none."""
    try:
        if st.secrets.load_if_toml_exists() or not any(map(os.path.lexists, st.get_option("secrets.files"))):
            return None
    except (OSError, ValueError):
        pass
    return "The secrets of this server cannot be read."


def _auth() -> Any:  # noqa: ANN401  # whatever TOML holds
    return st.secrets["auth"] if st.secrets.load_if_toml_exists() and "auth" in st.secrets else None


def _providers(auth: Mapping[str, Any]) -> list[str]:
    return [name for name, value in auth.items() if isinstance(value, Mapping) and name != "client_kwargs"]


def _is_text(section: Mapping[str, Any], key: str) -> bool:
    return isinstance(section.get(key), str) and bool(section[key].strip())


def _log_in(provider: str | None) -> None:
    try:
        st.login(provider)
    except StreamlitAuthError as error:
        _LOG.warning("nobody can sign in: %s", error)
        st.session_state[_TROUBLE] = "Signing in does not work here now; the log of the server says why."


@st.cache_resource(show_spinner=False)
def _say_once(trouble: str) -> None:
    """Into the server's log, once."""
    _LOG.warning("%s", trouble)
