#pragma once

/// Kernels with planted bugs: each names what was broken. The executor must notice every one in one of its builds, and
/// nothing in the kernels that are correct.
namespace vox::planted {

enum class Gemm {
  correct,
  no_barrier_after_load,
  no_barrier_before_next_load,
  loads_row_past_the_end,
  stores_row_past_the_end,
  reads_the_pad_column,
  tail_not_zero_filled,
  tile_indexed_transposed,
};

enum class Reduce {
  correct,
  no_barrier_before_last_warp,
  shuffle_in_divergent_branch,
  reads_partials_nobody_wrote,
  barrier_for_one_warp_only,
  output_not_zeroed,
  plain_add_instead_of_atomic,
  shuffle_starts_at_8,
  early_return_before_barrier,
  two_barriers_in_two_branches,
};

enum class Compact { correct, no_barrier_after_zeroing, plain_add_on_counter };

enum class Convolution {
  correct,
  never_waits_for_copies,
  waits_for_too_few_groups,
  no_barrier_after_wait,
  no_barrier_before_refill,
  wrong_result_column,
  a_registers_swapped,
  no_halo_test,
  row_pitch_unaligned,
  first_commit_missing,
  loads_one_row_too_many,
  mma_under_condition,
};

enum class Tf32 { correct, operands_not_rounded };

enum class Shared { correct, not_asked_for, more_than_a_kernel_has, more_than_a_block_has };

enum class Ring {
  correct,
  consumer_does_not_wait,
  producer_does_not_wait,
  phase_never_flips,
  expects_too_few_bytes,
  no_barrier_after_init,
};

enum class Edge {
  correct,
  reads_past_dynamic_shared,
  reads_past_row_of_shared,
  leaves_before_barrier,
  publishes_without_fence,
  reads_host_memory,
  all_store_one_place,
  loads_vector_unaligned,
  shuffle_as_barrier,
  reads_freed_memory,
  writes_what_others_read,
  writes_neighbours_byte,
};

}  // namespace vox::planted
