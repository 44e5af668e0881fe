#include "tests/simt/transactions.h"

#include "tests/support/catch.h"

/// The rules of sectors and banks, on addresses whose pieces can be counted by hand.
namespace vox::ptx {
namespace {

constexpr unsigned kAll = ~0U;

/// Lane l at base + l * stride bytes.
Addresses spaced(std::uint64_t stride, std::uint64_t base = 0) {
  Addresses a{};
  for (unsigned l = 0; l < kLanes; ++l) { a[l] = base + l * stride; }
  return a;
}

void check_pieces(const Pieces& p, unsigned asked, unsigned least) {
  CHECK(p.asked == asked);
  CHECK(p.least == least);
}

}  // namespace

TEST_CASE("sectors of global memory are counted once each", "[simt]") {
  check_pieces(sectors(spaced(4), kAll, 4), 4, 4);
  check_pieces(sectors(spaced(16), kAll, 16), 16, 16);
  check_pieces(sectors(spaced(2), kAll, 2), 2, 2);
  check_pieces(sectors(spaced(1), kAll, 1), 1, 1);
  check_pieces(sectors(spaced(4, 4), kAll, 4), 5, 4);       // one word beside the line
  check_pieces(sectors(spaced(16, 16), kAll, 16), 17, 16);  // half a sector
  check_pieces(sectors(spaced(0), kAll, 4), 1, 1);          // one word for all
  check_pieces(sectors(spaced(8), kAll, 4), 8, 4);          // every other word
  check_pieces(sectors(spaced(32), kAll, 4), 32, 4);
  check_pieces(sectors(spaced(128), kAll, 4), 32, 4);
  check_pieces(sectors(spaced(64), kAll, 16), 32, 16);
  check_pieces(sectors(spaced(128), 0x80000001U, 16), 2, 1);
  check_pieces(sectors(spaced(4), 0, 4), 0, 0);
  Addresses backwards = spaced(4);
  std::reverse(backwards.begin(), backwards.end());
  check_pieces(sectors(backwards, kAll, 4), 4, 4);
  Addresses pairs{};  // two lanes a word: 16 words
  for (unsigned l = 0; l < kLanes; ++l) { pairs[l] = l / 2 * 4; }
  check_pieces(sectors(pairs, kAll, 4), 2, 2);
}

TEST_CASE("lanes of different words in one bank of shared memory wait for each other", "[simt]") {
  check_pieces(wavefronts(spaced(4), kAll, 4), 1, 1);
  check_pieces(wavefronts(spaced(4, 4), kAll, 4), 1, 1);
  check_pieces(wavefronts(spaced(0), kAll, 4), 1, 1);  // the same word: to all at once
  check_pieces(wavefronts(spaced(2 * 4), kAll, 4), 2, 1);
  check_pieces(wavefronts(spaced(4 * 4), kAll, 4), 4, 1);
  check_pieces(wavefronts(spaced(31 * 4), kAll, 4), 1, 1);
  check_pieces(wavefronts(spaced(32 * 4), kAll, 4), 32, 1);
  check_pieces(wavefronts(spaced(33 * 4), kAll, 4), 1, 1);
  check_pieces(wavefronts(spaced(32 * 4), 0x0000000FU, 4), 4, 1);
  check_pieces(wavefronts(spaced(4), 0, 4), 0, 0);
  // Parts of one word are one word.
  check_pieces(wavefronts(spaced(1), kAll, 1), 1, 1);
  check_pieces(wavefronts(spaced(2), kAll, 2), 1, 1);
  check_pieces(wavefronts(spaced(64 * 4, 2), kAll, 2), 32, 1);
  check_pieces(wavefronts(spaced(64 * 4 + 2), kAll, 2), 2, 1);  // two lanes a bank
}

TEST_CASE("wide accesses to shared memory go by halves and quarters of a warp", "[simt]") {
  check_pieces(wavefronts(spaced(8), kAll, 8), 2, 2);
  check_pieces(wavefronts(spaced(8), 0x0000FFFFU, 8), 1, 1);
  check_pieces(wavefronts(spaced(16), kAll, 8), 4, 2);  // every other pair of banks
  check_pieces(wavefronts(spaced(16), kAll, 16), 4, 4);
  check_pieces(wavefronts(spaced(0), kAll, 16), 4, 4);
  check_pieces(wavefronts(spaced(32), kAll, 16), 8, 4);
  check_pieces(wavefronts(spaced(128), kAll, 16), 32, 4);  // eight rows of 128 bytes, their first 16
  check_pieces(wavefronts(spaced(144), kAll, 16), 4, 4);   // the same, a row 16 bytes longer
  check_pieces(wavefronts(spaced(16), 0x01010101U, 16), 4, 4);
  check_pieces(wavefronts(spaced(16), 0x000000FFU, 16), 1, 1);
  Addresses rows = spaced(16);  // of an ldmatrix, in any order within a matrix
  std::swap(rows[0], rows[7]);
  std::swap(rows[10], rows[13]);
  check_pieces(wavefronts(rows, kAll, 16), 4, 4);
  std::swap(rows[0], rows[9]);  // the row of another matrix, in the banks of lane 1's: both matrices have a conflict
  check_pieces(wavefronts(rows, kAll, 16), 6, 4);
}

}  // namespace vox::ptx
