#include "periprox/check/verdict.hpp"

#include <utility>

namespace periprox::check {

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::Pass:
      return "pass";
    case Verdict::Fail:
      return "fail";
    case Verdict::NotApplicable:
      return "not applicable";
  }
  return "fail";
}

void failed(std::string reason) { throw Settled{Verdict::Fail, std::move(reason)}; }

void not_applicable(std::string reason) {
  throw Settled{Verdict::NotApplicable, std::move(reason)};
}

void require(bool holds, std::string_view reason) {
  if (!holds) failed(std::string(reason));
}

}  // namespace periprox::check
