"""Groups of customers: people put together by hand, or by a query over what is known of them."""
