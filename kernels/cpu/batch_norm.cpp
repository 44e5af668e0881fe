#include "kernels/batch_norm.h"

#include "kernels/cpu/batch_norm_activation.h"
#include "kernels/cpu/simd/stream.h"

namespace vox {

template <class T> void batch_norm_forward(IsaQueue& q, const BatchNormArgs<T>& a) {
  using A = Acc<T>;
  with_kind<A>(a.activation, a.passed, [&](const auto& act) {
    for_chunks(q, a.shape, [&](const Chunk& c) {
      const auto norm = normalisation<A>(a, c.block, c.n * a.groups / a.shape.n);
      const T* const x = a.x.data() + c.first;
      T* const y = a.y.data() + c.first;
      const bool streamed = a.y.data() != a.x.data() && streams_to(a.y.data(), std::ssize(a.y), kStreamedBytes) &&
                            c.first % (64 / std::int64_t{sizeof(T)}) == 0;
      std::uint8_t* const noted = a.note_passed.empty() ? nullptr : a.note_passed.data() + c.first / kBlock8;
      over_pieces(act, c.first, c.count, [&](std::int64_t i, auto size, const Piece& piece) {
        A results[kLanes]{};
        T stored[kLanes];
        for (std::int64_t j = 0; j < size; ++j) {
          const A value = (load(x[i + j]) - norm.mean[j]) * norm.slope[j] + norm.beta[j];
          results[j] = act(value, value, piece, j);
          stored[j] = store<T>(results[j]);
        }
        if (streamed && size == kLanes) {
          stream(y + i, stored);
        } else {
          std::memcpy(static_cast<void*>(y + i), stored, static_cast<std::size_t>(size) * sizeof(T));
        }
        if (noted != nullptr) {
          std::uint32_t bits = 0;
          for (std::int64_t j = 0; j < kLanes; ++j) {
            bits |= act.notes(results[j], piece, j) ? kBits[static_cast<std::size_t>(j)] : 0U;
          }
          std::memcpy(noted + i / kBlock8, &bits, static_cast<std::size_t>(size / kBlock8));
        }
      });
      if (streamed) { end_stream(); }
    });
  });
}

VOX_INSTANTIATE(IsaQueue, batch_norm_forward, BatchNormArgs);

}  // namespace vox
