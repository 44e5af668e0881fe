# What every kernel executes, from the lines of vox_counts, and whether it keeps its limits. Reads limits and CSV, by the ends of their
# names. After limits.awk.

function worst(what, value) {
  if (value > most_of[name, what] + 0) { most_of[name, what] = value }
}
function ratio(what, asked) {
  if (n[asked "_least"] > 0) { worst(what, n[asked "_pieces"] / n[asked "_least"]) }
}

{
  quoted = ""
  if (match($0, /"[^"]*"/)) {  # a kernel's name with commas
    quoted = substr($0, RSTART + 1, RLENGTH - 2)
    $0 = substr($0, 1, RSTART - 1) "quoted" substr($0, RSTART + RLENGTH)
  }
  count = split($0, cells, ",")
  if (cells[1] == "op") {
    for (i = 1; i <= count; ++i) { heading[i] = cells[i] }
    columns = count
    next
  }
  if (count != columns) { broken[++faults] = "a line of " count " cells: " $0 }
  for (i = 1; i <= count; ++i) { n[heading[i]] = cells[i] }
  name = quoted == "" ? n["kernel"] : quoted
  if (!(name in seen)) { seen[name] = 1; names[++kernels] = name }
  ratio("load_sectors", "loads")
  ratio("store_sectors", "stores")
  ratio("copy_sectors", "copies")
  ratio("shared_loads", "shared_loads")
  ratio("shared_stores", "shared_stores")
  ratio("matrix_loads", "matrix_loads")
  ratio("copied", "copied")
  if (n["product"] > 0) { worst("per_product", n["all"] / n["product"]) }
  sectors = n["loads_pieces"] + n["stores_pieces"] + n["copies_pieces"]
  if (sectors > 0) { worst("per_sector", n["all"] / sectors) }
}

END {
  properties = split("load_sectors store_sectors copy_sectors shared_loads shared_stores matrix_loads copied per_product per_sector", property, " ")
  for (i = 1; i <= kernels; ++i) {
    name = names[i]
    find_limits(name)
    line = ""
    for (p = 1; p <= properties; ++p) {
      what = property[p]
      value = most_of[name, what] + 0
      if (value > 0) { line = line sprintf(" %s %.2f", what, value) }
      if ((what in most) && value > most[what] * 1.005) { broken[++faults] = sprintf("%s: %s %.2f, at most %s", name, what, value, most[what]) }
    }
    print name ":" line
  }
  check_names()
  printf "%d kernels, %d limits broken\n", kernels, faults
  for (i = 1; i <= faults; ++i) { print broken[i] }
  exit kernels == 0 || faults > 0
}
