# `just` lists what there is. Each target is one command that can as well be typed.

default:
    @just --list

# Format the code
fmt:
    cargo fmt --all

# What the compiler and clippy have to say
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# All tests; `just test plan::` runs some
test *filter:
    cargo test --workspace {{ filter }}

# Write generated files anew
generate:
    UPDATE=1 cargo test --workspace

# The whole story on a control plane and a simulator of its own; ends by itself
demo *arguments='--once':
    cargo run --release -p industrydata-demo -- {{ arguments }}

# Users and every kind of fault at random, for some minutes; `--seed N` repeats what is done
soak *arguments='--minutes 10':
    cargo run --release -p industrydata-soak -- {{ arguments }}

# The stand-in for Microsoft Graph
simulator *arguments:
    cargo run -p industrydata-simulator -- {{ arguments }}

# The operator on the current context of the kubeconfig
run *arguments:
    cargo run -- run --admin-address 127.0.0.1:8080 {{ arguments }}

# Install the operator in the current context
install:
    kubectl apply -f deploy/install.yaml

# The container image and its bill of materials, in target/image
image *arguments:
    cargo run -p industrydata-image -- {{ arguments }}

# The documentation of the code
doc:
    cargo doc --workspace --no-deps --open

# Everything that has to be green before a merge
ci:
    .ci/run
