#pragma once
// Hands on a state file each time that Terraform has written it (RUN-12), while it goes on writing.

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/unique_fd.h"

namespace slipway::provisioner::terraform {

struct JournalHooks {
  // Keeps a whole state, of which each is newer than the one before. On the journal's thread. A transient error is
  // tried again with back-off, with what the file holds by then; after any other one nothing is handed on any more.
  std::function<void(std::string_view state, std::stop_token stop)> keep;
  // After a first failure of a row, and when it has passed; on the journal's thread.
  std::function<void(std::string line)> tell;
  // Now and then, while nothing is to be kept: says that the writer lives, where somebody wants to know. Must not
  // throw.
  std::function<void(std::stop_token stop)> alive;
  // The right to keep states is lost: `keep` threw what is not transient.
  std::function<void(const base::Error&)> lost;
};

class StateJournal {
 public:
  // Watches from here on. What the file holds already is known.
  StateJournal(std::filesystem::path file, JournalHooks hooks);
  // Drops what is not kept yet.
  ~StateJournal();

  // The file will not be written any more: keeps its last state, trying for as long as `bound`. False: what the file
  // holds is not kept, because nobody takes it, or because its writer was killed in the middle of it, or it is gone. Of
  // one cut off the last whole state before is kept all the same. Called once.
  bool finish(std::chrono::milliseconds bound, std::stop_token killed);

 private:
  void run(std::stop_token stop);
  bool keep_newest(std::stop_token stop);
  void read_newest();
  void take_events();

  std::filesystem::path file_;
  JournalHooks hooks_;
  // The thread's until it is joined.
  std::string kept_;                    // SHA-256 of the last state that was kept
  std::optional<std::string> waiting_;  // the last whole one that was not kept yet
  bool has_held_ = false;               // the file held something once, or was about to
  bool is_cut_ = false;                 // and half a state, or nothing any more, when it was read last
  bool is_lost_ = false, failing_ = false;
  base::UniqueFd watch_;
  base::UniqueFd wake_;
  std::jthread thread_;
};

}  // namespace slipway::provisioner::terraform
