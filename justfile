# `just` lists the targets. Each is a short name for one command.

default:
    @just --list

# Format the code
fmt:
    cargo fmt --all

# Check with the compiler and clippy
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# All tests; `just test plan::` runs some
test *filter:
    cargo test --workspace {{ filter }}

# Regenerate files
generate:
    UPDATE=1 cargo test --workspace

# The whole story on a control plane and a simulator of its own; ends by itself
demo *arguments='--once':
    cargo run --release -p industrydata-demo -- {{ arguments }}

# Users and every kind of fault at random, for some minutes; `--seed N` repeats what is done
soak *arguments='--minutes 10':
    cargo run --release -p industrydata-soak -- {{ arguments }}

# Run the simulator of Microsoft Graph
simulator *arguments:
    cargo run -p industrydata-simulator -- {{ arguments }}

# Run the operator on the current context of the kubeconfig
run *arguments:
    cargo run -- run --admin-address 127.0.0.1:8080 {{ arguments }}

# Install the operator in the current context
install:
    kubectl apply -f deploy/install.yaml

# Build the container image and its bill of materials, in target/image
image *arguments:
    cargo run -p industrydata-image -- {{ arguments }}

# Build and open the documentation of the code
doc:
    cargo doc --workspace --no-deps --open

# Everything that must pass before a merge
ci:
    .ci/run
