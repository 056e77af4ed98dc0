#include "provisioner/session_order.h"

namespace slipway::provisioner {
namespace {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

std::string other_version(std::int64_t theirs) {
  return "the provisioner speaks version " + std::to_string(theirs) + " of the protocol and this program version " +
         std::to_string(kProtocolVersion) + "; update " +
         (theirs > kProtocolVersion ? "this program" : "the provisioner");
}

}  // namespace

base::Error protocol_error(std::string what) {
  return base::Error(base::ErrorClass::internal, "PROTOCOL_ERROR", std::move(what));
}

Problem to_problem(const base::Error& error) {
  return {.code = error.code(), .error_class = error.error_class(), .message = error.message()};
}

void SessionOrder::begin(Work work, std::string_view name) {
  if (!configured_) throw protocol_error(std::string(name) + " was asked before config");
  if (is_busy()) throw protocol_error(std::string(name) + " was asked while another request is under way");
  if (work == Work::apply && !planned_) throw protocol_error("apply was asked without a plan that succeeded before");
  planned_ = false;
  under_way_ = work;
}

void SessionOrder::complete(Work work, std::string_view name) {
  if (under_way_ != work) throw protocol_error(std::string(name) + " was said, but that is not what is under way");
  under_way_ = Work::none;
}

SessionOrder::Verdict SessionOrder::on_request(const Request& request) {
  return std::visit(Overloaded{
                        [&](const Config&) {
                          if (configured_) throw protocol_error("config was sent a second time");
                          configured_ = true;
                          return Verdict::carry_out;
                        },
                        [&](const Parse&) {
                          begin(Work::parse, "parse");
                          return Verdict::carry_out;
                        },
                        [&](const Plan&) {
                          begin(Work::plan, "plan");
                          return Verdict::carry_out;
                        },
                        [&](const Apply&) {
                          begin(Work::apply, "apply");
                          return Verdict::carry_out;
                        },
                        [&](const Cancel&) { return is_busy() ? Verdict::carry_out : Verdict::ignore; },
                    },
                    request);
}

void SessionOrder::on_message(const Message& message) {
  if (!greeted_ && !std::holds_alternative<Hello>(message)) throw protocol_error("the first message must be hello");
  std::visit(Overloaded{
                 [&](const Hello& hello) {
                   if (greeted_) throw protocol_error("hello was said a second time");
                   if (hello.protocol != kProtocolVersion) throw protocol_error(other_version(hello.protocol));
                   greeted_ = true;
                 },
                 [](const Log&) {},
                 [&](const StateWritten&) {
                   if (under_way_ != Work::apply)
                     throw protocol_error("stateWritten was said while nothing is applied");
                 },
                 [&](const ParseComplete&) { complete(Work::parse, "parseComplete"); },
                 [&](const PlanComplete& plan) {
                   complete(Work::plan, "planComplete");
                   planned_ = !plan.error;
                 },
                 [&](const ApplyComplete&) { complete(Work::apply, "applyComplete"); },
             },
             message);
}

}  // namespace slipway::provisioner
