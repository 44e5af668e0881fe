#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

/// What a CUDA graph is to a GPU: work of the simt device that is noted down instead of done, and then done in the same
/// order as often as wanted, with the arguments of its launches as they were.
namespace vox::simt_device {

class Recording {
 public:
  Recording() = default;
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  Recording(Recording&&) = delete;
  Recording& operator=(Recording&&) = delete;

  void begin();             ///< from here on the calling thread's work is recorded; that of others is done
  void end();               ///< throws Error where something was refused that could not say so itself
  void abandon() noexcept;  ///< ends it; nothing is left of it
  void replay() const;
  [[nodiscard]] std::size_t size() const { return work_.size(); }  ///< launches, copies, fills

  void add(std::function<void()> work) { work_.push_back(std::move(work)); }
  void refuse(std::string why);  ///< end() throws it

 private:
  std::vector<std::function<void()>> work_;
  std::string refused_;
};

[[nodiscard]] Recording* recording() noexcept;  ///< the one under way on this thread, or null
[[nodiscard]] bool replaying() noexcept;        ///< does this thread do recorded work?

/// Throws Error: CUDA refuses it while a stream is captured.
void refuse_while_recording(const char* what);

/// Does it, or records it.
template <class Work> void submit(Work work) {
  if (Recording* const r = recording()) { return r->add(std::move(work)); }
  work();
}

}  // namespace vox::simt_device
