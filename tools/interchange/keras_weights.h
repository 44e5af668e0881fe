#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/unet3d.h"
#include "tools/interchange/hdf5_file.h"

namespace vox {

/// A layer of a Keras model that has weights.
struct KerasLayer {
  enum class Kind : std::uint8_t { conv, up, batch_norm } kind;  ///< up: a transposed convolution of 2x2x2
  std::string name;
  std::vector<Hdf5File::Values> weights;  ///< kernel, bias; gamma, beta, mean, variance
};

struct KerasModel {
  std::vector<KerasLayer> layers;  ///< in the order in which the model calls those of a kind
  double norm_eps = 1e-3;          ///< of batch norm: Keras' default where the file does not say
};

/// Reads an .h5 file of Keras: model.save_weights() and model.save() of versions 2, the latter of 3 too, and
/// NAME.weights.h5 of version 3. Throws DataError for another file, and for a model with layers that our network has
/// nothing like, naming the first. HDF5's library is not safe with damaged files: it runs in a process of its own that
/// can do no harm (tools/interchange/confined.h), and a crash of it is a DataError.
[[nodiscard]] KerasModel read_keras(const std::filesystem::path&);
/// The same of the file's bytes and in this process: for what has made sure of them.
[[nodiscard]] KerasModel keras_of_file(const std::filesystem::path&, std::string bytes);

/// The network that it is: batch norm's epsilon, and whether convolutions in front of it have biases. Throws DataError
/// where the file has batch norm and `config` none, or the other way round.
[[nodiscard]] UNetConfig keras_config(UNetConfig, const KerasModel&, const std::filesystem::path&);

/// Gives a network the weights of the tutorial's simple_3d_unet, or of the same with batch norm between convolution and
/// ReLU. Kernels [kd,kh,kw,in,out], of transposed convolutions [kd,kh,kw,out,in]. Throws DataError that names the first
/// layer that does not fit, and NonFiniteError for a number that is not finite; nothing has changed then.
void take_keras_weights(UNet3d&, const KerasModel&, const std::filesystem::path&);

}  // namespace vox
