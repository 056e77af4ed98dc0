#include "notify/testing/mailbox.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace slipway::notify::testing {

Mailbox::Mailbox(const std::vector<std::string>& options) {
  std::array<int, 2> in{}, out{};
  SLIPWAY_ASSERT(::pipe2(in.data(), O_CLOEXEC) == 0 && ::pipe2(out.data(), O_CLOEXEC) == 0);
  std::vector<std::string> words{"/usr/bin/python3", SLIPWAY_MAILBOX};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  const int failure = ::posix_spawn(&process_, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  to_it_ = in[1];
  from_it_ = ::fdopen(out[0], "r");
  SLIPWAY_ASSERT(failure == 0 && from_it_ != nullptr);
  const auto address = read_line().as_object();
  url_ = std::string(address.at("url").as_string());
  ca_file_ = std::string(address.at("caFile").as_string());
}

Mailbox::~Mailbox() {
  ::close(to_it_);  // it ends with its input
  ::waitpid(process_, nullptr, 0);
  std::fclose(from_it_);
}

ReceivedMail Mailbox::next() { return json::from_value<ReceivedMail>(read_line()); }

json::Value Mailbox::read_line() {
  char* line = nullptr;
  std::size_t room = 0;
  const auto length = ::getline(&line, &room, from_it_);
  const std::string text(line == nullptr || length < 0 ? "" : line);
  std::free(line);
  if (text.empty()) throw base::internal_error("the mailbox of the test has ended: is python3-aiosmtpd there?");
  return json::parse_value(text);
}

}  // namespace slipway::notify::testing
