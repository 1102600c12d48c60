"""Transfer Atlas: everything but the screens. Rooms and arrows are drawn in docs/architecture.md."""
