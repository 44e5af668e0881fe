# What tests of kernels share: files named *.limits, each line "NAMES | LIMITS" (tests/tree/machine_code.limits says how they read), and what
# they allow a kernel. Before the script that reads the rest: awk -f limits.awk -f machine_code.awk.
# -v only="stack spilled": the properties to check; without it all.
FNR == 1 { kind = FILENAME; sub(/^.*\./, "", kind) }

kind == "limits" {
  if (/^[^#]/) {
    bar = index($0, " | ")
    ++limits
    pattern[limits] = "^(" substr($0, 1, bar - 1) ")$"
    wanted[limits] = substr($0, bar + 3)
  }
  next
}

# most[property]: what a kernel may have.
function find_limits(name,   j, w, n, words, sides) {
  split("", most)
  for (j = 1; j <= limits; ++j) {
    if (name !~ pattern[j]) { continue }
    ++met[j]
    n = split(wanted[j], words, " ")
    for (w = 1; w <= n; ++w) {
      split(words[w], sides, "<=")
      if (only == "" || index(" " only " ", " " sides[1] " ")) { most[sides[1]] = sides[2] }
    }
  }
}

# A name that no kernel has is a fault, too.
function check_names(   j) {
  for (j = 1; j <= limits; ++j) {
    if (!met[j]) { broken[++faults] = "no kernel is called " pattern[j] }
  }
}
