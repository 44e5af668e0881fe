#!/usr/bin/env bash
# A layer includes itself and the layers below it, nothing above: kernels <- engine <- model <- tools, data beside them.
# The same holds for the rooms of a folder. A folder that is missing, or a source that lies in none, is a failure.
bad=0
rooms=()
check() { # FOLDER ALLOWED: what its own sources (not those of its folders) may include, an extended regular expression
  local found
  rooms+=("$1")
  if ! compgen -G "$1/*.*" >/dev/null; then
    echo "$1/ has no sources"
    bad=1
    return
  fi
  found=$(grep -nE '#include "[a-z0-9_]+/' "$1"/*.{h,cpp,cu,cuh} 2>/dev/null | grep -vE "#include \"($2)") || return 0
  echo "$1/ may include only $2:"
  echo "$found"
  bad=1
}
base='kernels/base/'
contracts="$base|kernels/[a-z0-9_]+\.h\""
check kernels/base "$base"
check kernels "$contracts"
check kernels/plan "$contracts|kernels/plan/"
check kernels/cpu/simd "$base|kernels/cpu/simd/"
cpu="$contracts|kernels/plan/|kernels/cpu/simd/|kernels/cpu/conv3d/"
check kernels/cpu/conv3d "$cpu"
check kernels/cpu/winograd "$cpu|kernels/cpu/winograd/"
check kernels/cpu/amx "$cpu|kernels/cpu/amx/"
check kernels/cpu 'kernels/(base|plan|cpu)/|kernels/[a-z0-9_]+\.h"'
check kernels/cuda "$contracts|kernels/cuda/[a-z0-9_]+\.|kernels/simt/cuda\.h"
check kernels/cuda/conv3d "$contracts|kernels/plan/gpu\.h|kernels/cuda/"
check kernels/simt "$base|kernels/simt/"
check engine '(kernels|engine)/'
check engine/ops '(kernels|engine)/'
check engine/ranks '(kernels|engine)/'
check engine/ranks/backends '(kernels|engine)/'
check engine/samples '(kernels|engine)/'
check model '(kernels|engine|model)/'
below='data/image\.h|kernels/base/(check|philox|parallel|large_vector|bf16|host_device|augmentation|normal|sampling|size_product)\.h|engine/(types|open_file|safetensors|atomic_file|folder_lock|json|json_text|csv|read_file|memory_limits|ranks/(deal|batch_share|rank_cases))\.h'
check data "$below"
check data/nifti "$below|data/nifti/"
check data/cases "$below|data/(nifti|cases)/"
check data/check "$below|data/(nifti|cases|check)/"
check data/convert "$below|data/(nifti|cases|check|convert)/"
check data/prepare "$below|data/(nifti|cases|check|prepare)/"
check data/loading "$below|data/(prepare|loading)/"
check data/scoring "$below|data/(nifti|cases|check|scoring)/"
check data/postprocess "$below|data/(cases|scoring|postprocess)/"
check data/synth "$below|data/(nifti|cases|check|synth)/"
check tools/ui '(kernels|engine|model|data)/|tools/ui/'
check tools/interchange '(kernels|engine|model|data)/|tools/interchange/'
check tools/report '(kernels|engine|data)/|tools/(ui|interchange|report)/'
check tools/run '(kernels|engine|model|data)/|tools/(ui|interchange|report|run)/'
check tools/verbs '(kernels|engine|model|data|tools)/|benchmarks/verbs/bench\.h'
command_line='tools/ui/command_line\.h'
check benchmarks/output '(kernels|engine)/|benchmarks/output/|tools/report/page\.h'
check benchmarks/measure '(kernels|engine)/|benchmarks/(measure|output)/'
check benchmarks/workloads '(kernels|engine|model)/|benchmarks/(measure|output|workloads)/'
check benchmarks/rivals '(kernels|engine|model)/|benchmarks/(measure|output|workloads|rivals)/'
check benchmarks/rivals/onednn '(kernels|engine|model)/|benchmarks/(measure|output|workloads|rivals)/'
check benchmarks/rivals/nvidia '(kernels|engine|model)/|benchmarks/(measure|output|workloads|rivals)/'
check benchmarks/verbs "(kernels|engine|model|data|benchmarks)/|$command_line"

while read -r folder; do
  if [[ " ${rooms[*]} " != *" $folder "* ]]; then
    echo "$folder/ has sources and no rule here"
    bad=1
  fi
done < <(find kernels engine model data tools benchmarks -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' | xargs -n1 dirname | sort -u)

code='kernels engine model data tools benchmarks'
# What knows a library: its name, the folders that are looked through, the one file that may include it.
for library in "CLI/:$code tests:^tools/ui/command_line\.cpp" "nlohmann/:$code:^engine/json_text\.cpp" "hdf5:$code:^tools/interchange/hdf5_library\.h" "mpi:$code tests:^engine/ranks/backends/mpi_library\.h" "nccl:$code tests:^kernels/cuda/nccl\.cpp"; do
  IFS=: read -r name folders file <<<"$library"
  # shellcheck disable=SC2086
  found=$(grep -rnE "#include <$name" $folders --include='*.h' --include='*.cpp' | grep -vE "$file:")
  if [ -n "$found" ]; then
    echo "<$name…> is for $file alone:"
    echo "$found"
    bad=1
  fi
done
# JSON becomes text in one place, which no name of a file makes throw.
dumps=$(grep -rn '[.>]dump(' kernels engine model data tools benchmarks --include='*.h' --include='*.cpp' --include='*.cu' |
  grep -v '^engine/json_text\.cpp:')
if [ -n "$dumps" ]; then
  echo "json_text() of engine/json_text.h writes JSON, not dump():"
  echo "$dumps"
  bad=1
fi
exit $bad
