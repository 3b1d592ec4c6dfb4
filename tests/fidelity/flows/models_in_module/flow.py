from metaflow import FlowSpec, step

from entities import Customer, Order, Status


class ModelsInModuleFlow(FlowSpec):
    @step
    def start(self):
        self.customers = {1: Customer(1, "Ada"), 2: Customer(2, "Bo", tags={"vip"})}
        self.orders = [Order(self.customers[1], 5.0), Order(self.customers[2], 7.5), Order(self.customers[1], 1.0)]
        self.next(self.ship)

    @step
    def ship(self):
        for order in self.orders:
            order.status = Status.SHIPPED if order.amount > 4 else Status.OPEN
        self.next(self.end)

    @step
    def end(self):
        self.open_orders = [order for order in self.orders if order.status is Status.OPEN]
        self.names = [order.customer.name for order in self.open_orders]
        self.shared = self.orders[0].customer is self.orders[2].customer


if __name__ == "__main__":
    ModelsInModuleFlow()
