#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

struct CUevent_st;      // cudaEvent_t
struct CUgraphExec_st;  // cudaGraphExec_t
struct CUstream_st;     // cudaStream_t

/// All of the CUDA runtime that the rest of the tree sees. Without VOX_CUDA, none.cpp answers instead.
namespace vox::cuda {

struct DeviceInfo {
  std::string name;
  int compute_major = 0;
  int compute_minor = 0;
  std::size_t memory_bytes = 0;
};

[[nodiscard]] bool built() noexcept;              ///< was this program built with VOX_CUDA?
[[nodiscard]] std::vector<DeviceInfo> devices();  ///< empty where there is no GPU or no driver
[[nodiscard]] std::string versions();             ///< "runtime 13.0, driver 13.0", or why there are none
[[nodiscard]] void* allocate(std::size_t bytes);  ///< null when there is no room
void release(void*) noexcept;                     ///< waits for all work of the GPU, which may be on the memory
[[nodiscard]] std::size_t free_bytes();           ///< of the calling thread's GPU

/// Makes a GPU the calling thread's. Throws Error when this program was built without CUDA, when there is no driver or
/// no such GPU, or when the program holds no code for it.
void select(int index);
[[nodiscard]] std::string current_device_name();

/// A profiler that was told to wait (ncu --profile-from-start off) looks at what is launched between the two.
void profile(bool on);

/// A queue of work of the calling thread's GPU, which lives as long as the object.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  Stream(Stream&&) = delete;
  Stream& operator=(Stream&&) = delete;
  [[nodiscard]] CUstream_st* handle() const { return stream_; }
  void wait() const;  ///< until all its work is done

 private:
  CUstream_st* stream_ = nullptr;
};
void wait(CUstream_st*);

/// A point in a stream that others can wait for. Nothing waits for one that was never recorded.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  Event(Event&&) = delete;
  Event& operator=(Event&&) = delete;
  void record(CUstream_st*);
  void hold_back(CUstream_st*) const;  ///< work submitted to that stream from now on waits for the event
  void wait() const;                   ///< the caller waits
  [[nodiscard]] bool reached() const;  ///< has the stream come to it?
  /// From another event to this one, both recorded and waited for.
  [[nodiscard]] float milliseconds_since(const Event&) const;

 private:
  [[maybe_unused]] CUevent_st* event_ = nullptr;  // unused in a build without CUDA
};

/// Work of a stream that is captured instead of done, and then done as often as wanted by one launch. Meanwhile the
/// calling thread may neither wait for the GPU nor ask for memory or give it back; other threads may.
class Graph {
 public:
  Graph() = default;
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  Graph(Graph&&) = delete;
  Graph& operator=(Graph&&) = delete;
  static void begin(CUstream_st*);  ///< what is submitted to the stream from here on is captured
  void end(CUstream_st*);           ///< and ready to be launched. Throws Error saying why it cannot be
  static void abandon(CUstream_st*) noexcept;
  void launch(CUstream_st*) const;
  [[nodiscard]] std::size_t size() const { return nodes_; }  ///< launches, copies, fills

 private:
  [[maybe_unused]] CUgraphExec_st* graph_ = nullptr;  // unused in a build without CUDA
  [[maybe_unused]] CUstream_st* stream_ = nullptr;
  std::size_t nodes_ = 0;
};

/// Page-locked memory on the CPU: what copies at full speed and beside the work of another stream.
class PinnedBytes {
 public:
  PinnedBytes() = default;
  explicit PinnedBytes(std::size_t bytes);
  [[nodiscard]] void* data() const { return bytes_.get(); }

 private:
  struct Release {
    void operator()(void*) const noexcept;
  };
  std::unique_ptr<void, Release> bytes_;
};

/// Host to device, back, or within the device; returns at once where the host's side is page-locked. It must stay until
/// the copy is done.
void copy_async(void* to, const void* from, std::size_t bytes, CUstream_st* stream);

/// Host to device or device to host, after all work of the stream; returns when it is done.
void copy(void* to, const void* from, std::size_t bytes, CUstream_st* stream);
/// Makes every byte this one, after all work of the stream; returns at once.
void fill(void*, unsigned char byte, std::size_t bytes, CUstream_st* stream);

}  // namespace vox::cuda
