#pragma once
// The outside that the programs act on: a server of the test's on a Unix socket, which counts what was made under which
// idempotency key, and loses requests and answers as it likes. One line asks, one line answers; an end without an
// answer means that nobody knows. Thread-safe; every call blocks.

#include <cstdint>
#include <string>

#include "durable/operation.h"

namespace slipway::chaos {

class Effects {
 public:
  // `life` names this life of this process, for the server's books.
  Effects(std::string socket, std::string life) : socket_(std::move(socket)), life_(std::move(life)) {}

  // Each throws a transient error where the request or its answer was lost. make also REFUSED (user), if `fails`.
  std::int64_t make(const std::string& thing, bool fails, durable::Attempt& attempt) const;
  void remove(const std::string& thing, durable::Attempt& attempt) const;
  bool is_ready(const std::string& thing, durable::Attempt& attempt) const;
  // A number that is different each time.
  std::int64_t choose(const std::string& thing, durable::Attempt& attempt) const;
  // What the journal says was chosen.
  void confirm(const std::string& thing, std::int64_t chosen, durable::Attempt& attempt) const;

 private:
  std::string ask(const std::string& verb, const std::string& thing, durable::Attempt& attempt) const;

  const std::string socket_;
  const std::string life_;
};

}  // namespace slipway::chaos
