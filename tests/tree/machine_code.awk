# What every kernel's machine code does, and whether it keeps its limits. Reads, by the ends of their names: limits, names
# (mangled, a tab, plain), PTX (threads and thread blocks that the source promises), ptxas' reports, cuobjdump's listings.
# -v arch=sm_90a: the architecture of all of them. After limits.awk.
kind == "names" {
  split($0, halves, "\t")
  plain[halves[1]] = halves[2]
  next
}
kind == "ptx" {
  if (/\.entry /) {
    k = $0
    sub(/^.*\.entry /, "", k)
    sub(/[( ].*$/, "", k)
  } else if ($1 == ".maxntid") {
    value[k, "threads"] = $2 + 0
  } else if ($1 == ".minnctapersm") {
    value[k, "promised"] = $2 + 0
  }
  next
}
kind == "report" {
  if (/Compiling entry function/) {
    split($0, quoted, "\x27")
    k = quoted[2]
    names[++kernels] = k
  } else if (/stack frame/) {  # a function that is called has one of its own: as bad
    value[k, "stack"] += $1
    value[k, "spilled"] += $5 + $9
  } else if (match($0, /Used [0-9]+ registers/)) {
    value[k, "registers"] = substr($0, RSTART + 5) + 0
    if (match($0, /[0-9]+ bytes smem/)) { value[k, "shared"] = substr($0, RSTART) + 0 }
  }
  next
}
/Function : / {
  k = $NF
  next
}
match($0, /\/\*[0-9a-f][0-9a-f][0-9a-f][0-9a-f]+\*\/ +(@!?U?P[0-9T]+ +)?[A-Z][A-Z0-9_.]+/) {
  op = substr($0, RSTART, RLENGTH)
  sub(/^.* /, "", op)
  base = op
  sub(/\..*/, "", base)
  if (base == "NOP") { next }  # what fills the last line
  ++value[k, "instructions"]
  bits = op ~ /\.128/ ? 128 : op ~ /\.64/ ? 64 : op ~ /\.[US]?16/ ? 16 : op ~ /\.[US]8/ ? 8 : 32
  if (base ~ /^(LDL|STL)$/) { ++value[k, "local"] }
  if (base ~ /^(STG|ST)$/) { ++value[k, bits == 128 ? "stores" : "narrow_stores"] }
  if (base ~ /^(LDG|LD)$/) { ++value[k, bits == 128 ? "loads" : "narrow_loads"] }
  if (base ~ /^(LD|ST)$/) { ++value[k, "generic"] }
  if (base == "HMMA") { ++value[k, "hmma"] }
  if (base ~ /^D(ADD|MUL|FMA|SETP|MNMX|MMA)$/ || op ~ /F64|64H/) { ++value[k, "f64"] }
}

# vox::gpu::convolve_kernel<vox::gpu::Tile<2>, (vox::Channels)1, true>(args) -> convolve_kernel<Tile<2>,1,true>
function short(name) {
  gsub(/\([A-Za-z_:]+\)/, "", name)
  sub(/\(.*$/, "", name)
  sub(/^void /, "", name)
  gsub(/[A-Za-z_]+::/, "", name)
  gsub(/ /, "", name)
  return name
}

# Thread blocks that a multiprocessor has room for by registers, threads and the kernel's own shared memory.
function resident(k,   warps, blocks, most) {
  warps = int((value[k, "threads"] + 31) / 32)
  if (warps == 0) { return 0 }
  blocks = int(65536 / (int((value[k, "registers"] * 32 + 255) / 256) * 256 * warps))
  most = int(64 / warps)
  if (most < blocks) { blocks = most }
  if (blocks > 32) { blocks = 32 }
  most = int((arch ~ /^sm_80/ ? 164 : 228) * 1024 / (value[k, "shared"] + 1024))
  return most < blocks ? most : blocks
}

END {
  for (i = 1; i <= kernels; ++i) {
    k = names[i]
    name = short(plain[k])
    value[k, "blocks"] = resident(k)
    if (value[k, "threads"] == 0) { value[k, "unbounded"] = value[k, "registers"] }
    if (value[k, "hmma"] > 0) { value[k, "per_hmma"] = value[k, "instructions"] / value[k, "hmma"] }
    if (value[k, "blocks"] < value[k, "promised"]) { broken[++faults] = name ": " value[k, "blocks"] " thread blocks of " value[k, "promised"] " that its launch bounds promise" }
    find_limits(name)
    for (what in most) {
      if (value[k, what] + 0 > most[what] + 0) { broken[++faults] = name ": " what " " value[k, what] ", at most " most[what] }
    }
    printf "%-7s %4d registers %6d shared %5d instructions %4d hmma %4d f64 %3d+%-3d loads %3d+%-3d stores %2d blocks  %s\n", arch, value[k, "registers"], value[k, "shared"], value[k, "instructions"], value[k, "hmma"], value[k, "f64"], value[k, "loads"], value[k, "narrow_loads"], value[k, "stores"], value[k, "narrow_stores"], value[k, "blocks"], name
  }
  check_names()
  printf "%s: %d kernels, %d limits broken (16 bytes + less)\n", arch, kernels, faults
  for (i = 1; i <= faults; ++i) { print arch ": " broken[i] }
  exit kernels == 0 || faults > 0
}
