#pragma once

#include <cstddef>
#include <cstdint>

/// What a kernel calls in the executor. Only declarations: the executor is compiled apart from the kernels, so that
/// the checking build instruments them and not itself.
namespace vox::simt {

/// Where something happens: a place in a source, or an address in the program that is looked up when it is printed.
struct Site {
  const char* file = nullptr;
  int line = 0;
  const void* address = nullptr;

  /// As a default argument: the line of the call.
  static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line, nullptr};
  }
};

void sync_threads(Site);
enum class Vote : std::uint8_t { count, all, any };
int sync_threads_vote(Vote, bool predicate, Site);

void sync_warp(unsigned mask, Site);
/// out = in of lane `source`; bytes is 2, 4 or 8
void shuffle(unsigned mask, const void* in, void* out, std::size_t bytes, unsigned source, const char* name, Site);
unsigned ballot(unsigned mask, bool predicate, Site);
/// One, two or four 8x8 matrices of 16-bit elements from shared memory: row addresses come from lanes 0..8*matrices-1.
void load_matrices(int matrices, bool transposed, std::uint32_t* r, const void* row, Site);
enum class Mma : std::uint8_t { bf16_m16n8k16, tf32_m16n8k8 };
/// d = a*b+c over the fragments of a warp, rounded as Options::tensor_core says
void multiply(Mma, float* d, const std::uint32_t* a, const std::uint32_t* b, const float* c, Site);

void copy_async(void* shared, const void* global, int bytes, int source_bytes, Site);
void commit_copies();
void wait_copies(int groups_in_flight);

void barrier_init(std::uint64_t*, unsigned count, Site);
void barrier_arrive(std::uint64_t*, unsigned expected_bytes, Site);
void barrier_wait(std::uint64_t*, unsigned parity, Site);
void copy_bulk(void* shared, const void* global, unsigned bytes, std::uint64_t* barrier, Site);

/// The block's array that `key` stands for; made, and filled with NaN, when the first thread asks.
void* shared_array(const void* key, std::size_t bytes, std::size_t alignment, const char* name, Site);
void* shared_dynamic();

/// Adds to a number in device or shared memory, whatever other blocks do to it; returns what it was.
unsigned atomic_add(unsigned*, unsigned value, Site);
void fence();

}  // namespace vox::simt
