#pragma once
// What the benchmark programs share: durations to figures, and one line of JSON for bench/run to read.

#include <chrono>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace slipway::bench {

using SteadyTime = std::chrono::steady_clock::time_point;

inline SteadyTime steady_now() { return std::chrono::steady_clock::now(); }
double microseconds_since(SteadyTime start);
// Processor time of this process, user and system, all threads.
double cpu_seconds();
// `share` 0.5 is the median. `samples` must not be empty.
double percentile(std::vector<double> samples, double share);
void print_figures(std::initializer_list<std::pair<const char*, double>> figures);

}  // namespace slipway::bench
