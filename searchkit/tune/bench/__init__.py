"""An index and judged queries -> how good and how fast every stage is, in tables and figures."""
