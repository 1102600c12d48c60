"""Transfer Atlas: `streamlit run app.py`."""

import streamlit as st

from pages.widgets.nav import ICON, TITLE, pages
from pages.widgets.shared import start

st.set_page_config(page_title=TITLE, page_icon=ICON, layout="wide")
st.session_state["_routed"] = True
page = st.navigation(pages(), position="top")
start()
page.run()
