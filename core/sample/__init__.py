"""The bundled sample tasks: a small multilingual benchmark written for this project, generated from `data/sample`.

`spec` says what can be asked for, `lexicon` reads the words, `realise` turns a meaning into a sentence of a language,
`scenes` draws meanings, the `*_tasks` modules turn meanings into rows, `layout` lists every data set with its schema,
`build` writes them in the hub's layout. To add a language: one more
`data/sample/lexicon/<code>.yaml`, its code in `spec.LANGUAGES`, and its names in `layout`.
"""
