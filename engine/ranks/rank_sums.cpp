#include "engine/ranks/rank_sums.h"

#include <utility>

#include "engine/context.h"
#include "engine/dry_run.h"
#include "engine/ranks/rank_sums_worker.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr std::int64_t kBucketBytes = 4 << 20;
constexpr std::int64_t kAloneBytes = 1 << 20;  ///< a gradient of so many is sent as it is, in a bucket of its own

}  // namespace

RankSums::RankSums(Communicator& now, Communicator& meanwhile, Reduce reduce, std::string device)
    : now_(now), meanwhile_(meanwhile), reduce_(reduce), device_(std::move(device)) {
  VOX_CHECK(now.size() == meanwhile.size() && now.rank() == meanwhile.rank() && now.memory() == meanwhile.memory(),
            "ranks: two communicators of {} and {} ranks", now.size(), meanwhile.size());
}
RankSums::~RankSums() = default;

Tensor RankSums::gather_cases(const Tensor& mine, const BatchShare& share) {
  const std::int64_t row = mine.shape().count() / share.here();
  Tensor all({share.whole * row}, mine.dtype(), mine.device());
  if (DryRun::current() != nullptr) { return all; }
  const int ranks = now_.size();
  std::vector<std::size_t> sizes;
  for (int r = 0; r < ranks; ++r) {
    sizes.push_back(bytes_of(mine.dtype(), share_of(share.whole, r, ranks).count * row));
  }
  const std::span<const std::byte> own = all_bytes(mine).first(sizes[static_cast<std::size_t>(now_.rank())]);
  if (mine.device() == Device::simt) {
    std::vector<std::byte> from(own.size());
    std::vector<std::byte> to(all_bytes(all).size());
    copy_span(own, Device::simt, from, Device::cpu);
    now_.all_gather(from, sizes, to);
    copy_span(to, Device::cpu, all_bytes(all), Device::simt);
  } else {
    VOX_CHECK(mine.device() == now_.memory(), "ranks: a tensor on {}, and a communicator for {}", name(mine.device()),
              name(now_.memory()));
    now_.all_gather(own, sizes, all_bytes(all));
  }
  ++sent_now_.messages;
  sent_now_.bytes += static_cast<std::int64_t>(own.size()) * (ranks - 1);
  return all;
}

void RankSums::add(const Tensor& mine, const BatchShare& share, const Tensor& sum) {
  const bool alone = static_cast<std::int64_t>(bytes_of(sum.dtype(), sum.shape().count())) >= kAloneBytes;
  if (filling_ && (alone || filling_->dtype != sum.dtype() || filling_->share != share)) { flush(); }
  if (!filling_) { filling_ = std::make_unique<Bucket>(share, sum.dtype()); }
  Bucket::Part part{.mine = mine, .sum = sum, .to = sum, .elements = sum.shape().count()};
  if (sum.device() == Device::simt) {
    part.mine = mine.defined() ? mine.to(Device::cpu) : Tensor();
    part.sum = Tensor(sum.shape(), sum.dtype());
  }
  filling_->elements += part.elements;
  filling_->parts.push_back(std::move(part));
  if (waits_) { return finish(); }
  if (alone || static_cast<std::int64_t>(bytes_of(filling_->dtype, filling_->elements)) >= kBucketBytes) { flush(); }
}

void RankSums::flush() {
  if (!filling_) { return; }
  Bucket& b = *filling_;
  const int ranks = now_.size();
  const int me = now_.rank();
  const Device device = now_.memory();
  const auto buffer = [&](std::int64_t elements) { return Tensor({elements}, b.dtype, device); };
  const bool single = b.parts.size() == 1;
  if (reduce_ == Reduce::fast) {
    b.gathered = single ? b.parts.front().sum : buffer(b.elements);
  } else {
    const RankShares shares(b.share.whole, ranks);
    std::int64_t nodes = 0;
    for (const auto& of : shares.nodes) { nodes += std::ssize(of); }
    const std::int64_t slice = b.slice_begin(me + 1, ranks) - b.slice_begin(me, ranks);
    const std::int64_t mine = std::ssize(shares.nodes[static_cast<std::size_t>(me)]);
    if (single && mine == 1) {
      b.send = b.parts.front().mine;
    } else {
      b.send = buffer(mine * b.elements);
    }
    b.received = buffer(nodes * slice);
    b.slice = buffer(slice);
    b.gathered = single ? b.parts.front().sum : buffer(b.elements);
  }
  if (DryRun::current() != nullptr) {
    planned_.push_back(std::move(filling_));
    return;
  }
  if (!worker_) { worker_ = std::make_unique<Worker>(meanwhile_, reduce_, device_); }
  if (device == Device::cuda) { b.filled.emplace().record(cuda_queue().stream); }
  worker_->submit(std::move(filling_));
}

void RankSums::finish() {
  flush();
  planned_.clear();
  if (!worker_ || DryRun::current() != nullptr) { return; }
  const auto done = worker_->finish();
  worker_->hold_back();
  for (const auto& bucket : done) {
    for (const Bucket::Part& p : bucket->parts) {
      if (p.to.device() != p.sum.device()) {
        Tensor to = p.to;
        to.assign(p.sum);
      }
    }
  }
}

RankSums::Traffic RankSums::traffic() const {
  Traffic all = worker_ ? worker_->traffic() : Traffic{};
  all.messages += sent_now_.messages;
  all.bytes += sent_now_.bytes;
  return all;
}

}  // namespace vox
