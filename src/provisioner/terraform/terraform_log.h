#pragma once
// Terraform's output for machines (-json) as lines for people. Nothing is dropped: what cannot be read as an event is
// passed on as it is.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/job_messages.h"

namespace slipway::provisioner::terraform {

struct Diagnostic {
  bool is_error = true;
  std::string summary;
  std::string detail;
  std::string file;  // empty: about no place in the configuration
  std::size_t line = 0;
};

struct ReadableLine {
  fleet::LogLevel level = fleet::LogLevel::info;
  std::string text;
};

struct ReadableEvent {
  std::vector<ReadableLine> lines;
  std::optional<Diagnostic> diagnostic;
};

// One line of the output of init, plan or apply.
ReadableEvent read_event(std::string_view line);

// The diagnostics in the output of `terraform validate -json`; empty for what is none.
std::vector<Diagnostic> read_validation(std::string_view output);

// Of the errors among them, in a sentence or two: the first, and how many more there are. Empty if there is none.
std::string summary_of(const std::vector<Diagnostic>& diagnostics);

}  // namespace slipway::provisioner::terraform
