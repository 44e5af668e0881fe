#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace vox {

/// Pieces of memory of one size. One whose holders are all gone is handed out again: fresh memory from the system costs
/// most of a millisecond per megabyte, more than what a loader writes into it. Any thread may take and let go.
class BatchMemory {
 public:
  using Make = std::function<std::shared_ptr<std::byte>(std::size_t bytes)>;

  explicit BatchMemory(std::size_t bytes, Make make = {});  ///< without make: ordinary memory
  [[nodiscard]] std::shared_ptr<std::byte> take();          ///< its values are anything; may outlive this object

 private:
  struct Free;
  std::size_t bytes_;
  Make make_;
  std::shared_ptr<Free> free_;
};

}  // namespace vox
