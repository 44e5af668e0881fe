#pragma once

#include <hdf5.h>

namespace vox {

/// The functions of HDF5's C library that are called, by their names, found when the program runs. Debian's library
/// brings curl and OpenSSL along, which a program that segments scans has no use for.
struct Hdf5Library {
  decltype(&::H5open) open = nullptr;
  decltype(&::H5get_libversion) get_libversion = nullptr;
  decltype(&::H5Eset_auto2) e_set_auto = nullptr;
  decltype(&::H5Fopen) f_open = nullptr;
  decltype(&::H5Fclose) f_close = nullptr;
  decltype(&::H5Lexists) l_exists = nullptr;
  decltype(&::H5Lunregister) l_unregister = nullptr;
  decltype(&::H5PLset_loading_state) pl_set_loading_state = nullptr;
  decltype(&::H5Lget_name_by_idx) l_get_name_by_idx = nullptr;
  decltype(&::H5Oopen) o_open = nullptr;
  decltype(&::H5Oclose) o_close = nullptr;
  decltype(&::H5Iget_type) i_get_type = nullptr;
  decltype(&::H5Gget_info) g_get_info = nullptr;
  decltype(&::H5Dget_space) d_get_space = nullptr;
  decltype(&::H5Dget_type) d_get_type = nullptr;
  decltype(&::H5Dget_create_plist) d_get_create_plist = nullptr;
  decltype(&::H5Pget_external_count) p_get_external_count = nullptr;
  decltype(&::H5Pget_layout) p_get_layout = nullptr;
  decltype(&::H5Pcreate) p_create = nullptr;
  decltype(&::H5Pset_fapl_core) p_set_fapl_core = nullptr;
  decltype(&::H5Pset_file_image) p_set_file_image = nullptr;
  decltype(&::H5Pclose) p_close = nullptr;
  decltype(&::H5Dread) d_read = nullptr;
  decltype(&::H5Dvlen_reclaim) d_vlen_reclaim = nullptr;
  decltype(&::H5Sget_simple_extent_ndims) s_get_simple_extent_ndims = nullptr;
  decltype(&::H5Sget_simple_extent_dims) s_get_simple_extent_dims = nullptr;
  decltype(&::H5Sclose) s_close = nullptr;
  decltype(&::H5Aexists) a_exists = nullptr;
  decltype(&::H5Aopen) a_open = nullptr;
  decltype(&::H5Aclose) a_close = nullptr;
  decltype(&::H5Aget_type) a_get_type = nullptr;
  decltype(&::H5Aget_space) a_get_space = nullptr;
  decltype(&::H5Aread) a_read = nullptr;
  decltype(&::H5Tget_class) t_get_class = nullptr;
  decltype(&::H5Tget_size) t_get_size = nullptr;
  decltype(&::H5Tis_variable_str) t_is_variable_str = nullptr;
  decltype(&::H5Tclose) t_close = nullptr;
  hid_t native_float = -1;
  hid_t file_access = -1;  ///< H5P_FILE_ACCESS
};

/// Opened at the first call. Throws Error where there is none, or one before 1.10.
[[nodiscard]] const Hdf5Library& hdf5_library();

}  // namespace vox
