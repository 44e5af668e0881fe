#pragma once

#include <map>
#include <string>
#include <vector>

#include "benchmarks/measure/ceilings.h"
#include "benchmarks/output/report.h"
#include "benchmarks/workloads/cost.h"
#include "benchmarks/workloads/lab.h"
#include "engine/tape.h"
#include "kernels/base/parallel.h"

namespace vox::bench {

/// One operator of the network in one direction.
struct ProfileRow {
  std::string layer;  ///< "encoder.0.conv1", of the weight it reads; empty where it reads none
  std::string op;
  std::string shape;  ///< of its first input and its result
  std::string pass;   ///< "forward", "backward", or the phase that is no operator: "update"
  Cost cost;
  std::vector<Times> times;  ///< of each step
};

/// Watches whole steps of a lab and notes what every operator takes. An operator's time is from the end of the one
/// before to its own: what lies between belongs to it.
class Profiler : public TapeListener {
 public:
  explicit Profiler(Lab&);
  ~Profiler() override;
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  enum class Work : std::uint8_t { step, predict };
  void run(Work);  ///< one step or pass, which must be the same each time
  [[nodiscard]] const std::vector<ProfileRow>& rows() const { return rows_; }
  [[nodiscard]] const std::vector<Times>& steps() const { return steps_; }

  void ran_forward(Op, const Tensor& y, std::span<const Tensor> inputs, std::uint64_t number) override;
  void ran_backward(std::uint64_t number) override;

 private:
  void book(ProfileRow);  ///< the time since the last one
  [[nodiscard]] std::string layer_of(std::span<const Tensor> inputs) const;

  Lab& lab_;
  SleepyWorkers sleepy_;
  TapeListener* before_;
  Work work_ = Work::step;
  Times last_;
  bool running_ = false;  ///< after the phase "data", which is none of the step
  std::map<const TensorBody*, std::string> layers_;
  std::map<std::uint64_t, ProfileRow> backward_;  ///< by number of the op
  std::vector<ProfileRow> rows_;
  std::size_t next_ = 0;  ///< row of this step
  std::vector<Times> steps_;
};

/// Runs so many steps and prints a line per operator, its share of the step and of its roofline, and the whole step
/// against the sum of its operators' roofline times.
void print_profile(Report&, Lab&, Profiler::Work, int rounds);

}  // namespace vox::bench
