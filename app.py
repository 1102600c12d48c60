"""Transfer Atlas: `streamlit run app.py`. Pages load the store themselves, after their title is on the screen."""

import streamlit as st

from pages.widgets.nav import ICON, TITLE, pages, style
from pages.widgets.sign_in import sign_out

st.set_page_config(page_title=TITLE, page_icon=ICON, layout="wide")
style()
st.session_state["_routed"] = True
st.navigation(pages(), position="top").run()
sign_out()
