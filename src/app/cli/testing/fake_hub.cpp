#include "app/cli/testing/fake_hub.h"

#include <gtest/gtest.h>

namespace slipway::app::cli::testing {

namespace {

constexpr int kLost = -1;

class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(FakeHub& hub) : hub_(hub) {}
  Answer send(const Call& call) override { return hub_.take(call); }
  Answer stream(const Call& call, const StreamSink& sink) override {
    Answer answer = hub_.take(call);
    if (answer.status == 200 && sink.on_idle()) sink.on_bytes(answer.body);
    return answer;
  }

 private:
  FakeHub& hub_;
};

}  // namespace

void FakeHub::answer(const std::string& method_and_target, Answer answer) {
  answers_[method_and_target].push_back(std::move(answer));
}

void FakeHub::data(const std::string& method_and_target, const std::string& json) {
  answer(method_and_target, Answer{200, R"({"success":true,"data":)" + json + R"(,"meta":{"requestId":"req_1"}})"});
}

void FakeHub::fail(const std::string& method_and_target, int status, const std::string& code,
                   const std::string& message) {
  const json::Object error{{"code", code}, {"message", message}};
  answer(
      method_and_target,
      Answer{status, json::print_value(json::Object{{"success", false}, {"error", error}, {"meta", json::Object{}}})});
}

void FakeHub::lose(const std::string& method_and_target) { answer(method_and_target, Answer{kLost}); }

Answer FakeHub::take(const Call& call) {
  calls.push_back(call);
  const auto found = answers_.find(call.method + " " + call.target);
  if (found == answers_.end()) {
    ADD_FAILURE() << "the test has no answer to " << call.method << " " << call.target;
    return Answer{404, "{}"};
  }
  Answer answer = found->second.front();
  if (found->second.size() > 1) found->second.pop_front();
  if (answer.status == kLost)
    throw base::Error(base::ErrorClass::transient, std::string(kHubUnreachable),
                      "the hub at hub.test is not reachable");
  return answer;
}

std::size_t FakeHub::count(const std::string& method_and_target) const {
  return std::size_t(std::ranges::count_if(
      calls, [&](const Call& call) { return call.method + " " + call.target == method_and_target; }));
}

const Call& FakeHub::call(const std::string& method_and_target) const {
  for (auto call = calls.rbegin(); call != calls.rend(); ++call)
    if (call->method + " " + call->target == method_and_target) return *call;
  static const Call kNone;
  ADD_FAILURE() << "never called: " << method_and_target;
  return kNone;
}

std::string header(const Call& call, const std::string& name) {
  for (const auto& [field, value] : call.headers)
    if (field == name) return value;
  return {};
}

Bench::Bench() = default;

int Bench::run(std::vector<std::string> arguments) {
  std::istringstream in(typed);
  std::ostringstream out_text, err_text;
  Invocation invocation(Surroundings{
      .in = in,
      .out = out_text,
      .err = err_text,
      .in_is_terminal = has_terminal,
      .out_is_terminal = has_terminal,
      .err_is_terminal = has_terminal,
      .environment = [this](const std::string& name) -> std::optional<std::string> {
        const auto found = environment.find(name);
        if (found == environment.end()) return std::nullopt;
        return found->second;
      },
      .working_directory = "/nowhere",
      .program = "/opt/slip way/bin/slipway",
      .program_dirs = {"/opt/slip way/bin"},
      .connect = [this](const HubAddress&) { return std::make_unique<FakeTransport>(hub); },
      .clock = clock,
      .random = random_,
      .sleep =
          [this](base::Duration duration) {
            clock.at += duration;
            ++sleeps;
          },
  });
  const int exit_code = run_arguments(std::move(arguments), invocation);
  out = out_text.str();
  err = err_text.str();
  return exit_code;
}

}  // namespace slipway::app::cli::testing
