-- Who may have the same text or nearly the same; see `similar`. ARGV: document, entry, prefix of heads, most per key.
return similar(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
