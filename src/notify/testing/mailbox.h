#pragma once
// A real mail server for a test: tests/support/mailbox.py in a process of its own.

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/json.h"

namespace slipway::notify::testing {

// What arrived, as Python's parser of mail reads it.
struct ReceivedMail {
  std::string sender;
  std::vector<std::string> recipients;
  std::string raw;
  std::map<std::string, std::string> headers;
  std::optional<std::string> text, html;
  std::string type;
  std::vector<std::string> defects;
};
SLIPWAY_JSON_CAMEL(ReceivedMail, sender, recipients, raw, headers, text, html, type, defects)

class Mailbox {
 public:
  // `options` as the program has them. Listens when the constructor returns.
  explicit Mailbox(const std::vector<std::string>& options = {});
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  const std::string& url() const { return url_; }
  const std::string& ca_file() const { return ca_file_; }
  // Waits for the next one.
  ReceivedMail next();

 private:
  json::Value read_line();

  pid_t process_ = 0;
  int to_it_ = -1;
  std::FILE* from_it_ = nullptr;
  std::string url_, ca_file_;
};

}  // namespace slipway::notify::testing
