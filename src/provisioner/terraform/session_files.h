#pragma once
// The files of a session with Terraform that are ours, in a folder of the template's that is private: states, plans and
// values hold secrets in clear.

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"

namespace slipway::provisioner::terraform {

inline constexpr const char* kOwnFolder = ".slipway";
inline constexpr const char* kStateName = "terraform.tfstate";
inline constexpr const char* kJournalName = "journal.tfstate";
inline constexpr const char* kPlanName = "plan";
inline constexpr const char* kValuesName = "values.tfvars.json";
// Of override files the last by name wins: this one is ours to be that.
inline constexpr const char* kOverrideName = "zzzz_slipway_override.tf";
inline constexpr const char* kTofuOverrideName = "zzzz_slipway_override.tofu";
// What Terraform leaves in the template's folder when it cannot write its state.
inline constexpr const char* kErroredState = "errored.tfstate";

// Mode 0700 and empty, whatever an archive has put there.
void make_private_folder(const std::filesystem::path& folder);
// Mode 0600, complete or not at all; on top of whatever is there, also if that is a link.
void write_private_file(const std::filesystem::path& file, std::string_view text);
// Empty where there is no such file; throws SYSTEM_ERROR where there is one that cannot be read.
std::string read_whole_file(const std::filesystem::path& file);

// Calls the hub until it answers: transient failures are tried again with back-off for as long as kPatience, others
// thrown.
inline constexpr std::chrono::seconds kPatience{120};  // a hub that is restarted is away for less
template <class Call>
auto patiently(std::stop_token stop, Call call) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (std::chrono::milliseconds back_off{250};; back_off = std::min(back_off * 2, std::chrono::milliseconds{5'000})) {
    try {
      return call();
    } catch (const base::Error& error) {
      const bool may_pass =
          error.error_class() == base::ErrorClass::transient || error.error_class() == base::ErrorClass::throttled;
      if (!may_pass || error.code() == "STATE_LOCKED" || stop.stop_requested() ||
          std::chrono::steady_clock::now() + back_off > until)
        throw;
    }
    never.wait_for(lock, stop, back_off, [] { return false; });
  }
}

}  // namespace slipway::provisioner::terraform
