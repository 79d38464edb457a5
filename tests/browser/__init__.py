"""Pages opened in a headless Chromium; without one these tests are skipped, or fail where it is asked for."""
