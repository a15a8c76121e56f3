// What Sphinx says of a finished search has no Russian translation.
Object.assign(Documentation.TRANSLATIONS, {
  "Search finished, found ${resultCount} page(s) matching the search query.": "Найдено страниц: ${resultCount}.",
  "Your search did not match any documents. Please make sure that all words are spelled correctly and that you've selected enough categories.":
    "Ничего не найдено. Проверьте, нет ли в словах опечаток.",
});
