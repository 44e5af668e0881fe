#include "tools/interchange/hdf5_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr const char* kAdvice =
    "reading a file of Keras needs HDF5's library: on Debian and Ubuntu the package libhdf5-103-1 or its successor "
    "(libhdf5-dev has it, too); $VOXGRAD_HDF5 may name another libhdf5.so";

std::vector<std::string> candidates() {
  if (const char* const named = std::getenv("VOXGRAD_HDF5")) { return {named}; }
  std::vector<std::string> names;
  for (const char* const library : {"libhdf5_serial.so", "libhdf5.so"}) {
    for (const char* const version : {".103", ".200", ".310", ".320", ".100", ".101", ""}) {  // 1.10 to 2.0
      names.push_back(std::string(library) + version);
    }
  }
  return names;
}

[[noreturn]] void no_memory(const std::string& why) {
  fail<MemoryError>(__FILE__, __LINE__, "HDF5's library does not start: there is no memory for it" + why);
}

void* open_library() {
  std::string why;
  for (const std::string& name : candidates()) {
    if (void* const handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) { return handle; }
    const std::string said = dlerror();
    for (const char* const words : {"failed to map segment", "annot allocate", "annot create", "out of memory"}) {
      if (said.find(words) != std::string::npos) { no_memory(" (" + said + ")"); }
    }
    if (why.empty()) { why = said; }
  }
  VOX_FAIL("{} ({})", kAdvice, why);
}

template <class F> void find(void* handle, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(handle, name));  // NOLINT: what dlsym is for
  VOX_CHECK(function != nullptr, "{}: the one that was found has no {}", kAdvice, name);
}

Hdf5Library load() {
  void* const handle = open_library();  // stays open
  Hdf5Library h;
  find(handle, "H5open", h.open);
  find(handle, "H5get_libversion", h.get_libversion);
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  if (h.get_libversion(&major, &minor, &release) < 0) {  // it starts itself there
    no_memory("");
  }
  VOX_CHECK(major > 1 || minor >= 10, "{}: found {}.{}.{}, wants 1.10 or later", kAdvice, major, minor, release);
  find(handle, "H5Eset_auto2", h.e_set_auto);
  find(handle, "H5Fopen", h.f_open);
  find(handle, "H5Fclose", h.f_close);
  find(handle, "H5Lexists", h.l_exists);
  find(handle, "H5Lunregister", h.l_unregister);
  find(handle, "H5PLset_loading_state", h.pl_set_loading_state);
  find(handle, "H5Lget_name_by_idx", h.l_get_name_by_idx);
  find(handle, "H5Oopen", h.o_open);
  find(handle, "H5Oclose", h.o_close);
  find(handle, "H5Iget_type", h.i_get_type);
  find(handle, "H5Gget_info", h.g_get_info);
  find(handle, "H5Dget_space", h.d_get_space);
  find(handle, "H5Dget_type", h.d_get_type);
  find(handle, "H5Dget_create_plist", h.d_get_create_plist);
  find(handle, "H5Pget_external_count", h.p_get_external_count);
  find(handle, "H5Pget_layout", h.p_get_layout);
  find(handle, "H5Pcreate", h.p_create);
  find(handle, "H5Pset_fapl_core", h.p_set_fapl_core);
  find(handle, "H5Pset_file_image", h.p_set_file_image);
  find(handle, "H5Pclose", h.p_close);
  find(handle, "H5Dread", h.d_read);
  find(handle, "H5Dvlen_reclaim", h.d_vlen_reclaim);
  find(handle, "H5Sget_simple_extent_ndims", h.s_get_simple_extent_ndims);
  find(handle, "H5Sget_simple_extent_dims", h.s_get_simple_extent_dims);
  find(handle, "H5Sclose", h.s_close);
  find(handle, "H5Aexists", h.a_exists);
  find(handle, "H5Aopen", h.a_open);
  find(handle, "H5Aclose", h.a_close);
  find(handle, "H5Aget_type", h.a_get_type);
  find(handle, "H5Aget_space", h.a_get_space);
  find(handle, "H5Aread", h.a_read);
  find(handle, "H5Tget_class", h.t_get_class);
  find(handle, "H5Tget_size", h.t_get_size);
  find(handle, "H5Tis_variable_str", h.t_is_variable_str);
  find(handle, "H5Tclose", h.t_close);
  VOX_CHECK(h.open() >= 0, "{}: the one that was found does not start", kAdvice);
  const hid_t* native_float = nullptr;  // H5T_NATIVE_FLOAT, which is set by H5open()
  find(handle, "H5T_NATIVE_FLOAT_g", native_float);
  h.native_float = *native_float;
  const hid_t* file_access = nullptr;
  find(handle, "H5P_CLS_FILE_ACCESS_ID_g", file_access);
  h.file_access = *file_access;
  // A file must not make the library open other files by links, nor load filters as shared libraries.
  VOX_CHECK(h.l_unregister(H5L_TYPE_EXTERNAL) >= 0 && h.pl_set_loading_state(0) >= 0,
            "{}: the one that was found cannot be kept from following links to other files", kAdvice);
  h.e_set_auto(H5E_DEFAULT, nullptr, nullptr);  // what is wrong is said by us
  return h;
}

}  // namespace

const Hdf5Library& hdf5_library() {
  static const Hdf5Library kLibrary = load();
  return kLibrary;
}

}  // namespace vox
