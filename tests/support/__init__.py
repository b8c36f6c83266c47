"""What every black-box suite shares: servers to start and stop, a raw RESP client, waiting for a condition."""
