"""The screen of `dquery watch`: what is on it (scene), who asks for it (questions), and how it looks (screen)."""
